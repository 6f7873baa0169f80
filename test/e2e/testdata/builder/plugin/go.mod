module example.com/private/plugin.git

go 1.25

require github.com/caddyserver/caddy/v2 v2.10.2
