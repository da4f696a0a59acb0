module.exports = {
  async up(db) {
    await db.collection('payments').updateMany({ currency: { $exists: false } }, { $set: { currency: 'EUR' } })
  },
  async down(db) {
    await db.collection('payments').updateMany({}, { $unset: { currency: '' } })
  },
}
