// An independent OpenID Connect client. The test plays the browser: this prints where it would send
// one, is told on standard input where the browser came back, and prints what it made of that.
import * as client from 'openid-client'
import { webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'

// Node 18 has it, under another name.
globalThis.crypto ??= webcrypto

const { issuer, id, secret, authentication, alg, redirect, more = {} } = JSON.parse(process.argv[2])
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => console.log(JSON.stringify(value))
const hear = async () => (await lines.next()).value

const ways = {
  client_secret_basic: () => client.ClientSecretBasic(secret),
  client_secret_post: () => client.ClientSecretPost(secret),
  none: () => client.None(),
}
const config = await client.discovery(
  new URL(issuer),
  id,
  { id_token_signed_response_alg: alg },
  ways[authentication](),
  { execute: [client.allowInsecureRequests] },
)
// Signatures are checked too, not only the channel they came by.
client.enableNonRepudiationChecks(config)

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const address = client.buildAuthorizationUrl(config, {
  redirect_uri: redirect,
  scope: 'openid profile phone',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
  ...more,
})
say({ address: address.href })
for (;;) {
  const back = await hear()
  if (!back) break
  try {
    const tokens = await client.authorizationCodeGrant(config, new URL(back), {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
      ...(more.max_age ? { maxAge: Number(more.max_age) } : {}),
    })
    const claims = tokens.claims()
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    const logout = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      ...(secret ? { post_logout_redirect_uri: redirect.replace('callback', 'bye') } : {}),
    })
    say({ claims, userinfo, logout: logout.href })
  } catch (error) {
    say({ error: error.error ?? error.code ?? error.message, why: String(error.cause?.message ?? error.message) })
  }
}
