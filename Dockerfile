# The base is pinned by tag, because its digest could not be looked up where this was written: pin it when you publish.
FROM python:3.13-slim AS build

WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
# two environments: the tools that build stay behind in this stage, and pip with them
RUN python -m venv /build && python -m venv --without-pip /venv
RUN /build/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/build.txt
RUN /build/bin/python -m pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY autoscaler/ autoscaler/
COPY policies/ policies/
COPY simulations/ simulations/
RUN /build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /dist .
RUN /build/bin/python -m pip --python /venv/bin/python install --no-index --no-deps /dist/*.whl


FROM python:3.13-slim

COPY --from=build /venv /venv
# nothing is written at run time: a read-only root will do, and bytecode is in the image already
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# numeric, so that Kubernetes can see that it is not root
USER 65532:65532
ENTRYPOINT ["autoscaler"]
CMD ["run"]
