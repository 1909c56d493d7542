# The official image of PostgreSQL with influx. See docs/getting-started.md.
#
#   docker build --build-arg PG_MAJOR=17 --tag influx .

ARG PG_MAJOR=17

FROM postgres:${PG_MAJOR}-bookworm AS build
ARG PG_MAJOR
RUN apt-get update && apt-get install --yes --no-install-recommends \
      g++ make "postgresql-server-dev-${PG_MAJOR}"
COPY . /build
RUN make -C /build -j"$(nproc)" PG_CONFIG="/usr/lib/postgresql/${PG_MAJOR}/bin/pg_config" \
 && make -C /build install DESTDIR=/installed PG_CONFIG="/usr/lib/postgresql/${PG_MAJOR}/bin/pg_config"

FROM postgres:${PG_MAJOR}-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /installed/ /
EXPOSE 8089/udp
