// What the driver's methods return, as sorted JSON.
const { ObjectId } = require('mongodb')
const stable = v => JSON.stringify(v, (k, x) => x && typeof x === 'object' && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort(([a], [b]) => a < b ? -1 : 1)) : x)

module.exports = {
  async up(db) {
    const c = db.collection('results_data')
    let n = 0
    const keep = async (name, v) => { await db.collection('results').insertOne({ _id: ++n, name, type: typeof v, json: v === undefined ? 'undefined' : stable(v) }) }

    const doc = { name: 'generated' }
    const inserted = await c.insertOne(doc)
    await keep('insertOne adds _id', [doc._id === inserted.insertedId, doc._id instanceof ObjectId, Object.keys(doc), Object.keys(inserted).sort()])
    await c.deleteMany({})
    await keep('insertOne', await c.insertOne({ _id: 1, a: 1 }))
    await keep('insertMany', await c.insertMany([{ _id: 2, a: 1 }, { _id: 3, a: 2 }, { _id: 4, a: 3 }]))
    await keep('updateOne', await c.updateOne({ _id: 1 }, { $set: { a: 5 } }))
    await keep('updateOne same', await c.updateOne({ _id: 1 }, { $set: { a: 5 } }))
    await keep('updateOne none', await c.updateOne({ _id: 99 }, { $set: { a: 5 } }))
    await keep('updateOne upsert', await c.updateOne({ _id: 'up' }, { $set: { a: 9 } }, { upsert: true }))
    await keep('updateMany', await c.updateMany({ a: { $gte: 2 } }, { $inc: { a: 1 } }))
    await keep('replaceOne', await c.replaceOne({ _id: 2 }, { b: 1 }))
    await keep('replaceOne upsert', await c.replaceOne({ _id: 'rep' }, { b: 1 }, { upsert: true }))
    await keep('findOne', await c.findOne({ _id: 2 }))
    await keep('findOne none', await c.findOne({ _id: 'none' }))
    await keep('findOne projection', await c.findOne({ _id: 1 }, { projection: { a: 1, _id: 0 } }))
    await keep('findOne sort', await c.findOne({ _id: { $type: 'number' } }, { sort: { _id: -1 } }))
    await keep('findOneAndUpdate before', await c.findOneAndUpdate({ _id: 1 }, { $set: { a: 6 } }))
    await keep('findOneAndUpdate after', await c.findOneAndUpdate({ _id: 1 }, { $set: { a: 7 } }, { returnDocument: 'after' }))
    await keep('findOneAndUpdate none', await c.findOneAndUpdate({ _id: 98 }, { $set: { a: 7 } }))
    await keep('findOneAndUpdate metadata', await c.findOneAndUpdate({ _id: 1 }, { $set: { a: 8 } }, { includeResultMetadata: true, returnDocument: 'after' }))
    await keep('findOneAndReplace', await c.findOneAndReplace({ _id: 2 }, { c: 1 }, { returnDocument: 'after' }))
    await keep('findOneAndDelete', await c.findOneAndDelete({ _id: 2 }))
    await keep('findOneAndDelete none', await c.findOneAndDelete({ _id: 2 }))
    await keep('deleteOne', await c.deleteOne({ _id: 3 }))
    await keep('deleteOne none', await c.deleteOne({ _id: 3 }))
    await keep('deleteMany', await c.deleteMany({ a: { $gt: 100 } }))
    await keep('countDocuments', await c.countDocuments({}))
    await keep('countDocuments filter', await c.countDocuments({ a: { $exists: true } }, { limit: 1 }))
    await keep('estimatedDocumentCount', await c.estimatedDocumentCount())
    await keep('distinct', (await c.distinct('a')).sort())
    await keep('bulkWrite', Object.fromEntries(Object.entries(await c.bulkWrite([
      { insertOne: { document: { _id: 10, a: 1 } } },
      { updateOne: { filter: { _id: 10 }, update: { $set: { a: 2 } } } },
      { updateMany: { filter: { a: 2 }, update: { $set: { b: 2 } } } },
      { deleteOne: { filter: { _id: 10 } } },
      { deleteMany: { filter: { _id: 'nobody' } } },
    ])).filter(([, v]) => typeof v !== 'function')))
    await keep('bulkWrite upsert', (await c.bulkWrite([{ replaceOne: { filter: { _id: 11 }, replacement: { r: 1 }, upsert: true } }])).upsertedIds)
    await keep('bulkWrite unordered', (await c.bulkWrite([{ insertOne: { document: { _id: 12 } } }, { deleteOne: { filter: { _id: 11 } } }], { ordered: false })).insertedIds)
    const op = c.initializeUnorderedBulkOp()
    op.insert({ _id: 20, v: 1 })
    op.find({ _id: 20 }).updateOne({ $set: { v: 2 } })
    op.find({ v: 2 }).update({ $set: { w: 2 } })
    op.find({ _id: 21 }).upsert().replaceOne({ x: 1 })
    op.find({ _id: 12 }).deleteOne()
    const executed = await op.execute()
    await keep('initializeUnorderedBulkOp', [op.length, executed.insertedCount, executed.modifiedCount, executed.upsertedCount, executed.deletedCount])
    await keep('createIndex', await c.createIndex({ a: 1, b: -1 }))
    await keep('createIndex again', await c.createIndex({ a: 1, b: -1 }))
    await keep('createIndex array', await c.createIndex([['b', 1], ['c', -1]], { name: 'named' }))
    await keep('createIndex string', await c.createIndex('d'))
    await keep('createIndexes', await c.createIndexes([{ key: { e: 1 } }, { key: { f: 1 }, unique: true, name: 'u' }]))
    await keep('indexExists', [await c.indexExists('u'), await c.indexExists(['u', 'named']), await c.indexExists('nope')])
    await keep('indexes', (await c.indexes()).map(i => [i.name, i.key, i.unique === true]))
    await keep('indexInformation', await c.indexInformation())
    await keep('listIndexes', (await c.listIndexes().toArray()).length)
    await keep('dropIndex', Object.keys(await c.dropIndex('named')).includes('ok'))
    await keep('dropIndexes', await c.dropIndexes())
    await keep('aggregate', await c.aggregate([{ $match: { a: { $exists: true } } }, { $group: { _id: '$a', n: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray())
    await keep('aggregate builder', await c.aggregate().match({ a: { $exists: true } }).sort({ a: -1 }).limit(1).toArray())
    await keep('names', [c.collectionName, c.dbName === db.databaseName, c.namespace === db.databaseName + '.results_data'])
    await keep('command ping', await db.command({ ping: 1 }))
    await keep('admin ping', await db.admin().ping())
    await keep('db.stats', (await db.stats()).db === db.databaseName)
    await keep('array of keys', Object.keys(await c.insertMany([{ x: 1 }, { x: 2 }])).sort())
  },
}
