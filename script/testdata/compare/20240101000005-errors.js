const { MongoServerError, MongoError, MongoBulkWriteError, MongoInvalidArgumentError } = require('mongodb')

module.exports = {
  async up(db) {
    const c = db.collection('errors_data')
    const out = db.collection('errors')
    await c.createIndex({ email: 1 }, { unique: true })
    await c.insertMany([{ _id: 1, email: 'a' }, { _id: 2, email: 'b' }])
    const fails = async (name, f) => {
      try {
        const v = await f()
        await out.insertOne({ _id: name, failed: false, v: String(v) })
      } catch (e) {
        await out.insertOne({ _id: name, failed: true, name: e.name, code: e.code === undefined ? 'none' : e.code, isError: e instanceof Error, isMongo: e instanceof MongoError, isServer: e instanceof MongoServerError,
          isBulk: e instanceof MongoBulkWriteError, isInvalid: e instanceof MongoInvalidArgumentError, message: e instanceof MongoInvalidArgumentError ? e.message : '',
          writeErrors: Array.isArray(e.writeErrors) ? e.writeErrors.map(w => [w.index, w.code]).flat() : [], inserted: e.result ? e.result.insertedCount : -1, ids: e.result ? Object.keys(e.result.insertedIds || {}) : [] })
      }
    }
    await fails('duplicate _id', () => c.insertOne({ _id: 1, email: 'z' }))
    await fails('duplicate email', () => c.insertOne({ _id: 3, email: 'a' }))
    await fails('insertMany ordered', () => c.insertMany([{ _id: 10, email: 'c' }, { _id: 1, email: 'd' }, { _id: 11, email: 'e' }]))
    await fails('insertMany unordered', () => c.insertMany([{ _id: 12, email: 'f' }, { _id: 1, email: 'g' }, { _id: 13, email: 'h' }], { ordered: false }))
    await fails('bulkWrite', () => c.bulkWrite([{ insertOne: { document: { _id: 1 } } }, { deleteOne: { filter: { _id: 13 } } }]))
    await fails('empty bulkWrite', () => c.bulkWrite([]))
    await fails('empty insertMany', () => c.insertMany([]))
    await fails('insertMany of no array', () => c.insertMany({}))
    await fails('update without operators', () => c.updateOne({ _id: 1 }, { email: 'x' }))
    await fails('update empty', () => c.updateOne({ _id: 1 }, {}))
    await fails('replace with operators', () => c.replaceOne({ _id: 1 }, { $set: { a: 1 } }))
    await fails('unknown operator', () => c.updateOne({ _id: 1 }, { $nope: { a: 1 } }))
    await fails('unknown query operator', () => c.findOne({ a: { $nope: 1 } }))
    await fails('unknown command', () => db.command({ nope: 1 }))
    await fails('drop missing index', () => c.dropIndex('nope_1'))
    await fails('drop missing collection', () => db.collection('errors_missing').drop())
    await fails('drop collection', async () => { await db.createCollection('errors_drop'); return db.dropCollection('errors_drop') })
    await fails('create twice', async () => { await db.createCollection('errors_twice'); await db.createCollection('errors_twice') })
    await fails('rename missing', () => db.collection('errors_missing').rename('errors_other'))
    await fails('rename onto other', () => db.collection('errors_twice').rename('errors_data'))
    await fails('bad sort', () => c.find().sort({ a: 'up' }).toArray())
    await fails('indexes of missing', () => db.collection('errors_missing').indexes())
    await fails('options of missing', () => db.collection('errors_missing').options())
    await fails('string id is no ObjectId', () => new (require('mongodb').ObjectId)('xyz'))
    if (await c.countDocuments({ _id: { $in: [10, 11] } }) === 2) throw new Error('an ordered insertMany went on')
    await out.insertOne({ _id: 'left', ids: (await c.find().sort({ _id: 1 }).toArray()).map(d => d._id) })
  },
}
