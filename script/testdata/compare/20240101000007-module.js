import { ObjectId, Long } from 'mongodb'
import * as driver from 'mongodb'
import assert from 'node:assert'
import { promisify, format } from 'util'

const wait = promisify((ms, done) => setTimeout(() => done(null, ms), ms))
export const helper = () => 'exported too'

export const up = async (db) => {
  assert.strictEqual(await wait(2), 2)
  assert.deepStrictEqual({ a: [1] }, { a: [1] })
  await db.collection('module').insertOne({ _id: 1, id: new ObjectId('65a0b0c0d0e0f00102030405'), same: driver.Long === Long, text: format('%s-%d', 'a', 2) })
  const { Double } = await import('mongodb')
  await db.collection('module').insertOne({ _id: 2, d: new Double(3) })
}

export const down = async (db) => {
  await db.collection('module').drop()
}
