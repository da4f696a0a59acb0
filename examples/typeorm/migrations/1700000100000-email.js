module.exports = class Email1700000100000 {
  async up(runner) {
    await runner.query('ALTER TABLE members ADD COLUMN email text');
    await runner.query("UPDATE members SET email = lower(name) || '@example.org'");
  }

  async down(runner) {
    await runner.query('ALTER TABLE members DROP COLUMN email');
  }
};
