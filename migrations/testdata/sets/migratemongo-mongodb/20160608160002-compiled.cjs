"use strict";
exports.up = async (db) => { await db.collection("a").updateMany({}, [{$set: {b: "x".replace(/[(]\(/g, "'")}}]); };
exports.down = async (db) => {};
