module.exports = {
  async up(db, client) {
    await db.collection('rename_users').updateMany({ oldFieldName: { $exists: true } }, { $rename: { oldFieldName: 'newFieldName' } });
    await db.collection('rename_users').updateMany({}, { $set: { 'profile.active': true, score: 1.5, big: 2 ** 40, tags: ['a', 1, null] }, $unset: { gone: '' } });
  },

  async down(db, client) {
    await db.collection('rename_users').updateMany({ newFieldName: { $exists: true } }, { $rename: { newFieldName: 'oldFieldName' } });
  }
};
