# schemagate's own image: one static binary, the CA certificates, nothing else. Needs BuildKit, which is Docker's default since 23.0.
#   docker build -t schemagate .
#   docker build -t schemagate --platform linux/arm64 .
#   docker build -t schemagate --build-arg TAGS="no_consul no_git no_mongodb no_mysql no_secrets no_sqlite" .
# Where GO_IMAGE has the modules of go.mod in its cache, it builds offline, too.
# An app image takes the binary in with
#   COPY --from=schemagate /schemagate /usr/local/bin/schemagate
ARG GO_IMAGE=golang:1.26-bookworm
FROM --platform=${BUILDPLATFORM} ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY adopt adopt
COPY backfill backfill
COPY cmd cmd
COPY config config
COPY database database
COPY election election
COPY health health
COPY internal internal
COPY lint lint
COPY migrations migrations
COPY process process
COPY prove prove
COPY runner runner
COPY script script
COPY secret secret
COPY source source
COPY trace trace
ARG VERSION=devel
ARG TAGS=
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} GOFLAGS=-buildvcs=false \
    go build -trimpath -tags "${TAGS}" -ldflags "-s -w -buildid= -X main.version=${VERSION}" -o /out/schemagate ./cmd/schemagate
# Times are part of a layer's digest: fixed ones let the same source give the same layer.
RUN mkdir -p /out/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ && \
    find /out -exec touch --no-dereference --date=@0 {} +

FROM scratch
COPY --from=build /out/ /
USER 65532:65532
# Liveness is what orchestrators kill by, and a leader in a long migration is alive: so this asks for the start only.
HEALTHCHECK --interval=5s --timeout=3s --start-period=15m CMD ["/schemagate", "health", "startup"]
ENTRYPOINT ["/schemagate"]
CMD ["up"]
