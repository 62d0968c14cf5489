// Records unixfs.json with an implementation of UnixFS that is independent of this one. In an empty folder:
//   npm i ipfs-unixfs-importer@17.1.1 ipfs-unixfs-exporter@16.2.2 blockstore-core@7.0.1
//   cp …/ipld/testdata/unixfs.mjs . && node unixfs.mjs > …/ipld/testdata/unixfs.json
import { importer } from 'ipfs-unixfs-importer'
import { exporter } from 'ipfs-unixfs-exporter'
import { MemoryBlockstore } from 'blockstore-core'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced, trickle } from 'ipfs-unixfs-importer/layout'
const COMMENT = 'Recorded by unixfs.mjs with ipfs-unixfs-importer 17.1.1: cidVersion 1, rawLeaves true, reduceSingleLeafToSelf true, chunks of 262144, balanced, maxChildrenPerNode 174. Byte i of a pattern is the low byte of i*167 + (i>>8)*13 + (i>>16)*7.'
const C = 256 * 1024
// Byte i of the pattern: the low byte of (i*167 + (i>>8)*13 + (i>>16)*7).
const pattern = n => { const b = new Uint8Array(n); for (let i=0;i<n;i++) b[i] = (i*167 + (i>>8)*13 + (i>>16)*7) & 255; return b }
const zeros = n => new Uint8Array(n)
async function imp(data, opts={}) {
  const bs = new MemoryBlockstore()
  const put = bs.put.bind(bs), blocks = new Map()
  bs.put = (cid, block, o) => { blocks.set(cid.toString(), Buffer.from(block).toString('base64')); return put(cid, block, o) }
  let last
  for await (const e of importer([{content: data}], bs, {cidVersion:1, rawLeaves:true, reduceSingleLeafToSelf:true, wrapWithDirectory:false, chunker: fixedSize({chunkSize: opts.chunk ?? C}), layout: opts.layout ?? balanced({maxChildrenPerNode: 174}), ...opts.more})) last = e
  return [last.cid, bs, blocks]
}
const out = {comment: COMMENT, files: [], layouts: []}
for (const [kind, f] of [['zeros', zeros], ['pattern', pattern]])
  for (const size of [0, 1024, 1025, C, C+1, 174*C, 174*C+1, 175*C]) {
    const data = f(size)
    const [cid, , blocks] = await imp(data)
    out.files.push({kind, size, cid: cid.toString(), blocks: blocks.size})
  }
// other layouts, with their blocks, small enough to keep
const lay = [
 ['trickle', 3000, {chunk: 100, layout: trickle({maxChildrenPerNode: 3, layerRepeat: 2, maxDepth: 3})}],
 ['trickle, leaves in dag-pb', 3000, {chunk: 100, layout: trickle({maxChildrenPerNode: 3, layerRepeat: 2}), more: {rawLeaves: false, leafType: 'file'}}],
 ['balanced, width 2', 1000, {chunk: 100, layout: balanced({maxChildrenPerNode: 2})}],
 ['cid v0, leaves in dag-pb of type raw', 1000, {chunk: 100, layout: balanced({maxChildrenPerNode: 3}), more: {cidVersion: 0, rawLeaves: false, leafType: 'raw'}}],
 ['cid v0, leaves in dag-pb of type file', 1000, {chunk: 100, layout: balanced({maxChildrenPerNode: 3}), more: {cidVersion: 0, rawLeaves: false, leafType: 'file'}}],
 ['cid v0, one leaf', 100, {chunk: 100, more: {cidVersion: 0, rawLeaves: false}}],
 ['cid v0, empty', 0, {more: {cidVersion: 0, rawLeaves: false}}],
]
for (const [name, size, opts] of lay) {
  const data = pattern(size)
  const [cid, bs, blocks] = await imp(data, opts)
  const back = []
  for await (const x of (await exporter(cid, bs)).content()) back.push(x)
  if (Buffer.compare(Buffer.concat(back), Buffer.from(data))) throw new Error(name)
  out.layouts.push({name, size, cid: cid.toString(), blocks: Object.fromEntries([...blocks].sort())})
}
console.log(JSON.stringify(out, null, 1))
