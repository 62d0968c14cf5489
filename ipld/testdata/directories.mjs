// Records directories.json with an implementation of UnixFS that is independent of this one. In an empty folder:
//   npm i ipfs-unixfs-importer@15.4.0 blockstore-core@4.4.1
//   cp …/ipld/testdata/directories.mjs . && node directories.mjs > …/ipld/testdata/directories.json
import { importer } from 'ipfs-unixfs-importer'
import { MemoryBlockstore } from 'blockstore-core/memory'
const bytes = (s) => new TextEncoder().encode(s)
async function dir(name, files, more = {}) {
  const bs = new MemoryBlockstore(), put = bs.put.bind(bs), blocks = []
  bs.put = (cid, block, o) => { blocks.push([cid.toString(), Buffer.from(block).toString('base64')]); return put(cid, block, o) }
  let last
  for await (const e of importer(files.map(([path, content]) => ({ path, content: bytes(content) })), bs, { rawLeaves: true, cidVersion: 1, reduceSingleLeafToSelf: true, wrapWithDirectory: true, ...more })) last = e
  return { name, root: last.cid.toString(), files: Object.fromEntries(files), blocks: Object.fromEntries(blocks.sort()) }
}
const some = [['b.txt', 'two'], ['a.txt', 'one'], ['sub/c.txt', 'three'], ['sub/ü', 'four']]
const many = [['deep/x', 'y'], ...Array.from({ length: 60 }, (_, i) => [`file-${i}`, `content ${i}`])]
console.log(JSON.stringify([await dir('plain', some), await dir('sharded', many, { shardSplitThresholdBytes: 0 })], null, 1))
