const http = require('node:http');
const source = require('./data-source');

// The API of this release needs the column that its migration adds.
const server = http.createServer(async (req, res) => {
  try {
    const members = await source.query('SELECT id, name, email FROM members ORDER BY id');
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ release: process.env.SCHEMAGATE_RELEASE, members }));
  } catch (err) {
    res.statusCode = 500;
    res.end(String(err.message));
  }
});

source.initialize().then(() => server.listen(process.env.PORT || 3000, () => console.log('listening')));

process.on('SIGTERM', () => server.close(() => source.destroy().then(() => process.exit(0))));
