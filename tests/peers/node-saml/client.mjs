// An independent service provider. The test plays the browser: this prints where it would send one, is told on
// standard input what was posted back, and prints what it made of that.
import { SAML } from '@node-saml/node-saml'
import { createInterface } from 'node:readline'

const options = JSON.parse(process.argv[2])
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => console.log(JSON.stringify(value))
const hear = async () => (await lines.next()).value

const saml = new SAML({
  wantAuthnResponseSigned: true,
  wantAssertionsSigned: true,
  validateInResponseTo: 'always',
  signatureAlgorithm: 'sha256',
  ...options,
})
say({ address: await saml.getAuthorizeUrlAsync('deep/link', undefined, {}) })
for (;;) {
  const posted = await hear()
  if (!posted) break
  try {
    const said = JSON.parse(posted)
    if (said.logout) {
      say({ address: await saml.getLogoutUrlAsync(said.logout, 'bye', {}) })
    } else if (said.loggedOut) {
      say({ address: await saml.getLogoutResponseUrlAsync(said.loggedOut, '', {}, true) })
    } else if (said.redirected) {
      const query = said.redirected.split('?')[1]
      const { profile, loggedOut } = await saml.validateRedirectAsync(
        Object.fromEntries(new URLSearchParams(query)),
        query,
      )
      say({ profile, loggedOut })
    } else {
      const { profile, loggedOut } = await saml.validatePostResponseAsync(said)
      say({ profile, loggedOut })
    }
  } catch (error) {
    say({ error: error.message })
  }
}
