# dani-garcia/vaultwarden, README.md
sudo podman run --detach --name vaultwarden --env DOMAIN=https://vw.domain.tld --volume /vw-data/:/data/ --restart unless-stopped --publish 127.0.0.1:8000:80 docker.io/vaultwarden/server:latest
