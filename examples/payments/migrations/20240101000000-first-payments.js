// The first three customers, as the first release wrote them: an amount in whole units, no currency.
module.exports = {
  async up(db) {
    const payments = db.collection('payments')
    await payments.createIndex({ reference: 1 }, { unique: true })
    for (const [reference, amount] of [['a-1', 12], ['a-2', 7], ['a-3', 150]]) {
      // Upserts, so that a script that was stopped half-way can run again.
      await payments.updateOne({ reference }, { $set: { amount } }, { upsert: true })
    }
  },
  async down(db) {
    await db.collection('payments').drop()
  },
}
