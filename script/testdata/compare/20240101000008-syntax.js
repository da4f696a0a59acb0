'use strict'
const crypto = require('crypto')
const { setTimeout: sleep } = require('timers/promises')

class Batch {
  #items = []
  static size = 3
  static { this.created = 0 }
  constructor() { Batch.created++ }
  add(x) { this.#items.push(x); return this }
  get items() { return [...this.#items] }
  *[Symbol.iterator]() { yield* this.#items }
}

async function* numbers(n) {
  for (let i = 0; i < n; i++) {
    await null
    yield i
  }
}

module.exports = {
  up: async (db) => {
    const out = db.collection('syntax')
    const keep = (_id, v) => out.insertOne({ _id, v })
    const b = new Batch().add(1).add(2)
    await keep('class', [...b, Batch.size, Batch.created, b.items.length])
    const got = []
    for await (const n of numbers(3)) got.push(n)
    await keep('async generator', got)
    const o = { a: { b: null }, list: [1, 2, 3] }
    o.c ??= 5; o.d ||= 6; o.c &&= 7
    const { a: { b: inner = 'default' } = {}, list: [head, ...tail], ...rest } = o
    await keep('operators', [o?.a?.b?.c === undefined, o.x?.() === undefined, inner, head, tail.length, Object.keys(rest).join(), 2 ** 10, 1_000_000])
    await keep('template', `x${1 + 1}y` + String.raw`\n` + ((s, ...v) => s.join('|') + v.join())`a${1}b${2}c`)
    await keep('regexp', ['2024-05-06'.replace(/(?<y>\d+)-(?<m>\d+)-(?<d>\d+)/, '$<d>.$<m>.$<y>'), 'aXbX'.replaceAll('X', '-'), /(?<=a)b/.test('ab'), 'a1b2'.match(/\d/g).join(), [...'a1b2'.matchAll(/[a-z](\d)/g)].map(m => m[1]).join()])
    await keep('collections', [[...new Set([1, 1, 2])], [...new Map([['k', 'v']])].flat(), [3, 1, 2].toSorted().join(), [1, 2, 3].at(-1), [[1], [2]].flat(), Object.entries({ q: 1 }).flat()].flat())
    await keep('numbers', [0.1 + 0.2, (1234.5678).toFixed(2), parseInt('12px', 10), Number('0x10'), (255).toString(16), Math.max(1, 2), Number.MAX_SAFE_INTEGER, String(2n ** 64n)])
    await keep('dates', [new Date('2024-01-31T10:00:00Z').toISOString(), new Date(Date.UTC(2024, 1, 30)).toISOString(), new Date(0).getTime(), JSON.stringify(new Date(5)), new Date('2024-03-10T12:00:00+02:00').getTime()])
    await keep('json', JSON.stringify({ a: [1, { b: undefined, c: null }], d: 'é"\n' }, null, 1))
    const order = []
    await Promise.all([
      (async () => { await sleep(20); order.push('slow') })(),
      (async () => { await sleep(1); order.push('fast') })(),
      Promise.resolve().then(() => order.push('micro')),
    ])
    await keep('timers', order)
    await keep('settled', (await Promise.allSettled([Promise.resolve(1), Promise.reject(new Error('no'))])).map(r => r.status))
    await keep('race', await Promise.race([sleep(500, 'late'), sleep(1, 'early')]))
    const timer = setTimeout(() => { throw new Error('cleared timers must not fire') }, 5)
    clearTimeout(timer)
    await new Promise(resolve => setImmediate(resolve))
    let ticks = 0
    await new Promise(resolve => { const t = setInterval(() => { if (++ticks === 3) { clearInterval(t); resolve() } }, 1) })
    await keep('interval', ticks)
    await keep('hash', [crypto.createHash('sha256').update('abc').digest('hex'), crypto.createHash('md5').update('abc').digest('base64'), crypto.randomUUID().length, crypto.randomBytes(4).length])
    await keep('buffer', [Buffer.from('héllo').toString('base64'), Buffer.from('aGk=', 'base64').toString(), Buffer.concat([Buffer.from('a'), Buffer.from('b')]).toString('hex'), Buffer.byteLength('é'), Buffer.isBuffer(Buffer.alloc(2)), btoa('hi'), atob('aGk=')])
    await keep('clone', structuredClone({ a: [new Date(5), { b: 1 }] }))
    const tagged = []
    outer: for (const x of [1, 2, 3]) { for (const y of [1, 2]) { if (y === 2) continue outer; if (x === 3) break outer; tagged.push(x) } }
    await keep('labels', tagged)
    try { null.x } catch { await keep('catch', true) } finally { await keep('finally', true) }
    const error = new Error('outer', { cause: new Error('inner') })
    await keep('cause', error.cause.message)
  },
}
