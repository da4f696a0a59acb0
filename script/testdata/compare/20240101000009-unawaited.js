// The async callback of forEach is a common mistake; nobody waits for it. All of it is done before up returns in this script only because of the last line.
module.exports = {
  async up(db) {
    const c = db.collection('unawaited')
    await c.insertMany([1, 2, 3].map(_id => ({ _id })))
    const pending = []
    await c.find().forEach(d => { pending.push(c.updateOne({ _id: d._id }, { $set: { seen: true } })) })
    await Promise.all(pending)
    const ids = await Promise.all([1, 2, 3].map(async _id => (await c.findOne({ _id })).seen))
    await c.insertOne({ _id: 'all', ids })
    await db.collection('unawaited_other').insertOne({ _id: 1 }).then(r => db.collection('unawaited_other').insertOne({ _id: 2, acknowledged: r.acknowledged })).finally(() => {})
    return 'garbage'
  },
}
