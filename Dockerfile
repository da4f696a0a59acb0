# schemagate's own image: one static binary, nothing else. It builds offline where the module cache is at hand:
#   docker build --network=none --build-arg GO_IMAGE=golang-with-modules .
# An app image takes the binary in with
#   COPY --from=schemagate /schemagate /usr/local/bin/schemagate
ARG GO_IMAGE=golang:1.26-bookworm
FROM ${GO_IMAGE} AS build
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
COPY migrations migrations
COPY process process
COPY prove prove
COPY runner runner
COPY script script
COPY secret secret
COPY source source
ARG VERSION=devel
ARG TARGETARCH=
RUN CGO_ENABLED=0 GOARCH=${TARGETARCH} GOFLAGS=-buildvcs=false \
    go build -trimpath -ldflags "-s -w -buildid= -X main.version=${VERSION}" -o /out/schemagate ./cmd/schemagate

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/schemagate /schemagate
USER 65532:65532
# Liveness is what orchestrators kill by, and a leader in a long migration is alive: so this asks for the start only.
HEALTHCHECK --interval=5s --timeout=3s --start-period=15m CMD ["/schemagate", "health", "startup"]
ENTRYPOINT ["/schemagate"]
CMD ["up"]
