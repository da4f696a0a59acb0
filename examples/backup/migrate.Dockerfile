# An image for an init container or a job: the database's own image brings the tool, in the version of the server.
FROM postgres:15-alpine
COPY --from=schemagate /schemagate /usr/local/bin/schemagate
COPY migrations /migrations
ENV SCHEMAGATE_MIGRATIONS=/migrations \
    SCHEMAGATE_BEFORE='f=/backups/shop-$SCHEMAGATE_TERM.dump; pg_dump -Fc -f "$f" "$DATABASE_URL" && echo "schemagate: backup=$f"' \
    SCHEMAGATE_BACKUP_VERIFY='pg_restore -f /dev/null "$SCHEMAGATE_BACKUP"'
VOLUME /backups
USER postgres
ENTRYPOINT ["schemagate"]
CMD ["up"]
