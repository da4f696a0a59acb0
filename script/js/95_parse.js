// require('schemagate').parse(db): changes to a class of Parse Server, in _SCHEMA and in its documents together.
(function (host, lib) {
  lib.parse = (db, given) => {
    if (!(db instanceof lib.Db)) throw lib.invalid('parse(db): expected the db that up(db) is called with')
    const { prefix } = given || {}
    const change = (className, fields) => {
      if (typeof className !== 'string') throw lib.invalid('expected the name of a class')
      const c = { class: className, ...fields }
      if (prefix !== undefined) c.prefix = prefix
      return host.call('parse', db.databaseName, undefined, undefined, c)
    }
    return lib.guard({
      change: (className, fields) => change(className, fields),
      createClass: (className, fields) => change(className, { create: true, add: fields || {} }),
      addField: (className, name, field) => change(className, { add: { [name]: typeof field === 'string' ? { type: field } : field } }),
      renameField: (className, from, to) => change(className, { rename: { [from]: to } }),
      removeField: (className, name) => change(className, { remove: [name] }),
      addIndex: (className, name, keys) => change(className, { indexes: { [name]: keys } }),
      removeIndex: (className, name) => change(className, { indexes: { [name]: null } }),
    }, 'parse(db)')
  }
})
