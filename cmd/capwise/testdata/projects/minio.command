# minio/minio, docs/docker/README.md
docker run -p 9000:9000 -p 9001:9001 --user 1000:1000 --name minio1 -v /mnt/data:/data quay.io/minio/minio server /data --console-address ":9001"
