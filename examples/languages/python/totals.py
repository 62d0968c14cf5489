# Sums up the column "amount" of every CSV file in a folder:
#
#     totals.py FOLDER
import csv, json, pathlib, sys

totals = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.csv")):
    with path.open(newline="") as file:
        totals[path.name] = sum(float(row["amount"]) for row in csv.DictReader(file))
if not totals:
    sys.exit(f"{sys.argv[0]}: no CSV file in {sys.argv[1]}")

print(json.dumps(totals, indent=2))
