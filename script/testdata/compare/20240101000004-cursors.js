module.exports = {
  async up(db) {
    const c = db.collection('cursors_data')
    await c.insertMany(Array.from({ length: 250 }, (_, i) => ({ _id: i, mod: i % 7, text: 'n' + i })))
    const out = db.collection('cursors')
    const keep = (name, v) => out.insertOne({ _id: name, v: JSON.stringify(v) })

    const seen = []
    for await (const d of c.find({ mod: 3 }).sort({ _id: -1 }).limit(5)) seen.push(d._id)
    await keep('for await', seen)
    await keep('skip limit', (await c.find().sort('_id', -1).skip(10).limit(3).toArray()).map(d => d._id))
    await keep('project', await c.find({ _id: { $lt: 2 } }).project({ text: 1, _id: 0 }).sort({ _id: 1 }).toArray())
    await keep('sort array', (await c.find({ _id: { $lt: 9 } }).sort([['mod', 1], ['_id', -1]]).toArray()).map(d => d._id))
    await keep('sort pair', (await c.find().sort(['_id', -1]).limit(2).toArray()).map(d => d._id))
    await keep('sort words', (await c.find().sort({ _id: 'desc' }).limit(2).toArray()).map(d => d._id))
    await keep('batchSize', (await c.find().batchSize(7).toArray()).length)
    await keep('map', await c.find({ _id: { $in: [1, 2] } }).sort({ _id: 1 }).map(d => d.text).map(t => t + '!').toArray())
    await keep('count', [await c.find({ mod: 1 }).count(), await c.count({ mod: 1 }), await c.countDocuments({ mod: 1 }, { skip: 30 })])

    for await (const d of c.find({ mod: 0 })) await c.updateOne({ _id: d._id }, { $set: { even: d._id % 2 === 0 } })
    await keep('updated', await c.countDocuments({ even: true }))

    // Batches by key, as a backfill does it. (FerretDB hangs in one update command of 100 changes.)
    let last = -1, total = 0
    for (;;) {
      const batch = await c.find({ _id: { $gt: last }, mod: 5 }).sort({ _id: 1 }).limit(10).toArray()
      if (!batch.length) break
      const ops = batch.map(d => ({ updateOne: { filter: { _id: d._id }, update: { $set: { len: d.text.length } } } }))
      total += (await c.bulkWrite(ops)).modifiedCount
      last = batch[batch.length - 1]._id
    }
    await keep('batches', total)

    const cursor = c.find().sort({ _id: 1 }).batchSize(3)
    const steps = []
    while (await cursor.hasNext()) {
      const d = await cursor.next()
      if (d._id > 6) break
      steps.push(d._id)
    }
    await cursor.close()
    await keep('hasNext next', [steps, await cursor.hasNext(), await cursor.next().catch(e => e.name), cursor.closed])

    const each = []
    await c.find({ _id: { $lt: 4 } }).sort({ _id: 1 }).forEach(d => { each.push(d._id) })
    await keep('forEach', each)
    const stopped = []
    await c.find().sort({ _id: 1 }).forEach(d => { stopped.push(d._id); return d._id < 3 })
    await keep('forEach false', stopped)

    const again = c.find({ _id: { $lt: 3 } }).sort({ _id: 1 })
    const first = (await again.toArray()).length
    again.rewind()
    await keep('rewind', [first, (await again.toArray()).length, (await again.clone().toArray()).length])

    const broken = []
    for await (const d of c.find().sort({ _id: 1 })) {
      if (d._id === 4) break
      broken.push(d._id)
    }
    await keep('break', broken)

    await keep('empty', [await c.find({ _id: 'no' }).toArray(), await c.find({ _id: 'no' }).next(), await c.find({ _id: 'no' }).hasNext()])
    await keep('aggregate cursor', (await c.aggregate([{ $match: { mod: 2 } }, { $sort: { _id: 1 } }, { $limit: 2 }]).map(d => d._id).toArray()))
  },
}
