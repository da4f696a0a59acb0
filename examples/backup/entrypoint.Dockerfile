# The entrypoint form: the app's own image, with the tool of the database beside schemagate.
FROM node:20-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*
COPY --from=schemagate /schemagate /usr/local/bin/schemagate
WORKDIR /app
COPY . .
ENV SCHEMAGATE_MIGRATIONS=/app/migrations \
    SCHEMAGATE_BEFORE='f=/backups/shop-$SCHEMAGATE_TERM.dump; pg_dump -Fc -f "$f" "$DATABASE_URL" && echo "schemagate: backup=$f"' \
    SCHEMAGATE_BACKUP_VERIFY='pg_restore -f /dev/null "$SCHEMAGATE_BACKUP"'
VOLUME /backups
ENTRYPOINT ["schemagate", "run", "--", "node", "server.js"]
