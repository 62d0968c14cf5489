// The other side of the interop test of package ucan.
//
//   node peer.mjs make           writes chains that iso-ucan made
//   node peer.mjs check <CHAINS  writes what iso-ucan thinks of each chain
//
// A chain is {name, executor, invocation, proofs}, tokens in base64.
import { createECDH } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Delegation } from 'iso-ucan/delegation'
import { Invocation } from 'iso-ucan/invocation'
import { ECDSASigner } from 'iso-signatures/signers/ecdsa.js'
import { EdDSASigner } from 'iso-signatures/signers/eddsa.js'
import { ES256KSigner } from 'iso-signatures/signers/es256k.js'
import * as ecdsa from 'iso-signatures/verifiers/ecdsa.js'
import * as eddsa from 'iso-signatures/verifiers/eddsa.js'
import { Resolver } from 'iso-signatures/verifiers/resolver.js'

const verifierResolver = new Resolver({ ...ecdsa.verifier, ...eddsa.verifier })
const options = { verifierResolver, isRevoked: async () => false }

// signer is a key whose 32 secret bytes are all the same.
const signers = {
  'Ed25519': (seed) => EdDSASigner.generate(new Uint8Array(32).fill(seed)),
  'secp256k1': (seed) => ES256KSigner.generate(new Uint8Array(32).fill(seed)),
  'P-256': (seed) => {
    const secret = Buffer.alloc(32, seed)
    const ecdh = createECDH('prime256v1')
    ecdh.setPrivateKey(secret)
    const point = ecdh.getPublicKey()
    const url = (b) => b.toString('base64url')
    return ECDSASigner.importJwk({ kty: 'EC', crv: 'P-256', d: url(secret), x: url(point.subarray(1, 33)), y: url(point.subarray(33)) })
  },
}

async function make(type) {
  const [node, alice, bob, carol] = await Promise.all([1, 2, 3, 4].map((seed) => signers[type](seed)))
  const dlg = (iss, aud, more) => Delegation.create({ iss, aud: aud.did, sub: node.did, cmd: '/crud', pol: [], exp: null, ...more })
  const inv = async (name, iss, prf, more) => {
    const made = await Invocation.create({ ...options, iss, sub: node.did, cmd: '/crud/read', args: { uri: 'https://example.com/x', size: 99 }, prf, exp: null, ...more })
    return chain(`${type}, ${name}`, made, prf)
  }
  const root = await dlg(node, alice, { cmd: '/' })
  const middle = await dlg(alice, bob, { pol: [['like', '.uri', 'https://example.com/*'], ['not', ['==', '.size', 100]]], nbf: 1 })
  const leaf = await dlg(bob, carol, { pol: [['<', '.size', 100]], meta: { why: 'lent' } })
  const powerline = await dlg(alice, bob, { sub: null })
  return [
    await inv('self-issued', node, []),
    await inv('depth 1', alice, [root]),
    await inv('depth 3', carol, [root, middle, leaf]),
    await inv('powerline', bob, [root, powerline]),
    await inv('empty nonce', alice, [root], { nonce: new Uint8Array() }),
    await inv('aud is not sub', alice, [root], { aud: bob.did }),
  ]
}

function chain(name, made, prf) {
  const base64 = (bytes) => Buffer.from(bytes).toString('base64')
  return { name, executor: made.payload.aud, invocation: base64(made.bytes), proofs: prf.map((p) => base64(p.bytes)) }
}

// check tells "" or why the chain is refused.
async function check(c) {
  try {
    const proofs = new Map()
    for (const p of c.proofs) {
      const d = await Delegation.from({ ...options, bytes: Buffer.from(p, 'base64') })
      proofs.set(d.cid.toString(), d)
    }
    const resolveProof = async (cid) => {
      const d = proofs.get(cid.toString())
      if (!d) throw new Error(`no proof ${cid}`)
      return d
    }
    await Invocation.from({ ...options, bytes: Buffer.from(c.invocation, 'base64'), audience: { did: c.executor }, resolveProof })
    return ''
  } catch (e) {
    return String(e.message || e)
  }
}

const answer = {
  make: async () => (await Promise.all(Object.keys(signers).map(make))).flat(),
  check: async () => Promise.all(JSON.parse(readFileSync(0, 'utf8')).map(check)),
}[process.argv[2]]
console.log(JSON.stringify(await answer(), null, 1))
