# docker build -t nalaformer . && docker run --rm -v "$PWD:/data" nalaformer predict /data/some.jpg ...
FROM debian:12-slim AS build
WORKDIR /src
COPY . .
RUN apt-get update && apt-get install -y --no-install-recommends xz-utils \
 && scripts/package.sh \
 && mkdir /packed && tar -C /packed --strip-components=1 -xJf dist/*.tar.xz \
 && mkdir /libtorch && cp -aL .deps/venv/lib/python3*/site-packages/torch/lib /libtorch/ \
 && cp -aL .deps/venv/lib/python3*/site-packages/nvidia /nvidia

FROM debian:12-slim
# LibTorch looks for CUDA's runtime in ../../nvidia from its lib folder.
COPY --from=build /libtorch /opt/torch
COPY --from=build /nvidia /opt/nvidia
COPY --from=build /packed /opt/nalaformer
ENV NALA_TORCH_DIR=/opt/torch PATH=/opt/nalaformer/bin:$PATH
WORKDIR /data
ENTRYPOINT ["nalaformer"]
CMD ["--help"]
