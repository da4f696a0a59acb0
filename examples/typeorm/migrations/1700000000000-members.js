module.exports = class Members1700000000000 {
  async up(runner) {
    await runner.query('CREATE TABLE members (id serial PRIMARY KEY, name text NOT NULL)');
    // Long enough for replicas that start at the same time to get in each other's way, if nobody kept them apart.
    await runner.query('SELECT pg_sleep(0.5)');
    await runner.query("INSERT INTO members (name) VALUES ('Ada'), ('Grace')");
  }

  async down(runner) {
    await runner.query('DROP TABLE members');
  }
};
