// Whole units become cents. Only what still lacks the new field is touched, so that running it again goes on where it stopped.
module.exports = {
  async up(db) {
    const payments = db.collection('payments')
    for await (const p of payments.find({ amountCents: { $exists: false } })) {
      await payments.updateOne({ _id: p._id }, { $set: { amountCents: p.amount * 100 } })
    }
  },
  async down(db) {
    await db.collection('payments').updateMany({}, { $unset: { amountCents: '' } })
  },
}
