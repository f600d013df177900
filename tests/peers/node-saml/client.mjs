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
    const { profile, loggedOut } = await saml.validatePostResponseAsync(JSON.parse(posted))
    say({ profile, loggedOut })
  } catch (error) {
    say({ error: error.message })
  }
}
