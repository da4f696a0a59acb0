/**
 * There is no down here.
 * schemagate: statement_timeout=1m
 */
export const up = async (db) => {
  // down
  const direction = "down", template = `down`;
  await db.collection('a').updateMany({down: {$exists: true}.down}, {$set: {'down': 1}});
};
