#!/usr/bin/env bash
# From a file of problems to a better critic, with the embedded miniature alone. docs/tutorial.md explains every step.
#
#     bash examples/tour.sh [FOLDER]
#
# FOLDER (runs/tour unless given) receives everything. The same command again goes on where it was stopped. For a short
# tour, set TOUR_LIMIT (problems to learn from), TOUR_TEST (problems to test on) and TOUR_STEPS (optimizer steps).
set -euo pipefail
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"  # models this small are as fast on one thread, and leave a core free
mkdir -p "${1:-runs/tour}"
cd "${1:-runs/tour}"
limit=${TOUR_LIMIT:-150} test=${TOUR_TEST:-60} steps=${TOUR_STEPS:-120}
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step "1. Problems to learn from, and problems to test on"
critique-graph miniature problems --limit "$limit" --split train --seed 7 > problems.jsonl
critique-graph miniature problems --limit "$test" --split test --seed 8 > test.jsonl

step "2. The loop before: the actor is its own critic"
critique-graph run test.jsonl --critic miniature:actor --out before --quiet

step "3. Critique data"
critique-graph generate problems.jsonl --strategies rg1 --strategies correct --samples 6 --refinements 2 --min-right 1 \
    --out data --quiet

step "4. A look at the data"
critique-graph show data -n 1

step "5. A critic, trained from the data"
critique-graph train critic data --model miniature:actor --reasoning --balance verdict --learning-rate 1e-3 \
    --batch-size 8 --max-steps "$steps" --out critic --quiet

step "6. The loop after: the new critic"
critique-graph run test.jsonl --critic hf:critic --out after --quiet

step "7. Does the new critic find the first wrong step?"
critique-graph eval-critic --critic hf:critic --limit "$test" --out errors --quiet

step "8. The loop with the critic that the package ships, which learned from 36,000 rows"
critique-graph run test.jsonl --critic miniature:critic --out shipped --quiet

step "Done: the new critic is $PWD/critic"
