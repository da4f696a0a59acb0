module.exports = {
  async up(db, client) {
    const out = db.collection('collections')
    const made = await db.createCollection('collections_a')
    await made.insertOne({ _id: 1 })
    await db.createCollection('collections_capped', { capped: true, size: 4096 })
    await out.insertOne({ _id: 'capped', v: [await db.collection('collections_capped').isCapped(), await made.isCapped()] })
    const renamed = await db.collection('collections_a').rename('collections_b')
    await out.insertOne({ _id: 'renamed', name: renamed.collectionName, n: await renamed.countDocuments() })
    await db.renameCollection('collections_b', 'collections_target')
    await db.collection('collections_gone').insertOne({ _id: 1 })
    const dropped = await db.collection('collections_gone').drop()
    const names = (await db.listCollections().toArray()).map(c => c.name).filter(n => n.startsWith('collections')).sort()
    const filtered = await db.listCollections({ name: 'collections_target' }).toArray()
    const objects = (await db.collections()).map(c => c.collectionName).filter(n => n.startsWith('collections')).sort()
    const exists = await db.listCollections({ name: 'collections_gone' }).hasNext()
    await out.insertOne({ _id: 'list', dropped, names, filtered: filtered.map(f => [f.name, f.type]).flat(), objects, exists, next: await db.listCollections({ name: 'nobody' }).next() })
    const other = client.db(db.databaseName)
    await out.insertOne({ _id: 'client', same: other.databaseName === db.databaseName, n: await other.collection('collections_target').countDocuments() })
    const session = client.startSession()
    try {
      await out.insertOne({ _id: 'session', inTransaction: session.inTransaction() }, { session })
      await out.updateOne({ _id: 'session' }, { $set: { more: 1 } }, { session })
      await out.insertOne({ _id: 'found', v: (await out.findOne({ _id: 'session' }, { session })).more })
    } finally {
      await session.endSession()
    }
    await client.withSession(async s => { await out.insertOne({ _id: 'withSession' }, { session: s }) })
    await db.command({ create: 'collections_command' })
    await db.collection('collections_command').createIndex({ a: 1 }, { background: true, sparse: false })
  },
}
