import csv, json, os, sys

rows = list(csv.DictReader(open("/orders.csv")))
total = sum(float(row["amount"]) for row in rows)
with open("/out.json", "w") as file:
    json.dump({"rows": len(rows), "total": total}, file)
print("total", total, os.listdir("/"), sys.argv)
