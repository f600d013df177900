// An independent OpenID provider with a sign-in page of its own. It prints where it is and then, a line each, what it
// was asked: by a browser, and at its token endpoint.
import Provider from 'oidc-provider'
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'

const { id, secret, redirect, alg } = JSON.parse(process.argv[2])
const say = (value) => console.log(JSON.stringify(value))
// Its advice for operators would stand between the lines.
console.info = () => {}
console.warn = () => {}
// It ends with whoever started it.
process.stdin.on('end', () => process.exit()).resume()

const made = alg === 'RS256' ? ['rsa', { modulusLength: 2048 }] : ['ec', { namedCurve: 'P-256' }]
const key = generateKeyPairSync(...made).privateKey.export({ format: 'jwk' })

const server = createServer()
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const issuer = `http://localhost:${server.address().port}`
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: id,
      client_secret: secret,
      redirect_uris: [redirect],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      id_token_signed_response_alg: alg,
      require_auth_time: true,
    },
  ],
  jwks: { keys: [{ ...key, alg, use: 'sig' }] },
  cookies: { keys: ['a key of this one run'] },
  claims: { openid: ['sub'], profile: ['name', 'nickname'], email: ['email', 'email_verified'] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({
      sub,
      name: `${sub} of the peer`,
      nickname: sub,
      email: `${sub}@peer.example`,
      email_verified: true,
    }),
  }),
  // Nobody is asked whether this client may know them.
  loadExistingGrant: async ({ oidc }) => {
    const grant = new provider.Grant({
      accountId: oidc.session.accountId,
      clientId: oidc.client.clientId,
    })
    grant.addOIDCScope([...oidc.requestParamScopes].join(' '))
    await grant.save()
    return grant
  },
})
provider.on('grant.success', () => say({ token: 'given' }))
provider.on('grant.error', (_, error) => say({ token: error.error, why: error.error_detail }))

const form = (uid) => `<!doctype html><title>The Peer</title>
<form method="post" action="/interaction/${uid}">
<input name="login"><input name="password" type="password"><button>Sign in</button></form>`

const answer = provider.callback()
server.on('request', async (request, response) => {
  const found = /^\/interaction\/([\w-]+)$/.exec(request.url)
  if (!found) return answer(request, response)
  const { prompt, params } = await provider.interactionDetails(request, response)
  if (request.method === 'GET') {
    say({ asked: params, prompt: prompt.name, reasons: prompt.reasons })
    response.setHeader('content-type', 'text/html; charset=utf-8')
    return response.end(form(found[1]))
  }
  let body = ''
  for await (const part of request) body += part
  const login = new URLSearchParams(body).get('login')
  const result = login
    ? { login: { accountId: login } }
    : { error: 'access_denied', error_description: 'the person went away' }
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
})
say({ issuer })
