# docker-library/rabbitmq, the image's documentation
docker run -d --hostname my-rabbit --name some-rabbit -p 15672:15672 -p 5672:5672 rabbitmq:4-management
