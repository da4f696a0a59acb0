const { DataSource } = require('typeorm');

// DATABASE_URL is set by schemagate for the migration's command, and by the platform for the app.
module.exports = new DataSource({
  type: 'postgres',
  url: process.env.DATABASE_URL,
  applicationName: process.env.PGAPPNAME, // schemagate tags the migration's sessions with its term
  migrations: [__dirname + '/migrations/*.js'],
});
