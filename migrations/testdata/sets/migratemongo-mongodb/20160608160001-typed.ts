export async function up(db: Db): Promise<void> {}
export async function down(db: Db): Promise<void> {}
