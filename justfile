# Short names for what `cargo xtask` does.

# Center, a guild and three demo agents on this machine
dev *ARGS:
    cargo xtask dev {{ ARGS }}

# everything that CI runs, or only the named parts
test *PARTS:
    cargo xtask test {{ PARTS }}

# check the formatting (`cargo fmt --all` applies it)
fmt:
    cargo xtask test fmt

# formatting, warnings, dependencies
lint:
    cargo xtask test fmt clippy deny embed

# the release binaries against the npm socket.io-client
e2e:
    cargo xtask test e2e
