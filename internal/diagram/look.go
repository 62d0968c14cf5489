package diagram

// kinds are the looks of lines: a name, a head, and what the key says.
var kinds = [...]struct{ name, head, text string }{
	Solid:  {"solid", `<path class="dg-head" d="M0 .5L10 5L0 9.5Z"/>`, "passes its result"},
	Dashed: {"dashed", `<path class="dg-open" d="M1 1L9 5L1 9"/>`, "comes first"},
	Dotted: {"dotted", `<path class="dg-open dg-hollow" d="M1 5L5 1.5L9 5L5 8.5Z"/>`, "sets it off"},
}

// states are the looks of states.
var states = [...]struct{ name, text string }{
	Unknown:    {"unknown", ""},
	OK:         {"ok", "ok"},
	Remembered: {"remembered", "remembered"},
	Failed:     {"failed", "failed"},
	Skipped:    {"skipped", "skipped"},
	Cancelled:  {"cancelled", "cancelled"},
	Upstream:   {"upstream", "not run, for want of another"},
}

// icons are signs of 14 × 14 pixels, each of a form of its own.
var icons = [...]struct{ name, shape string }{
	{"ok", `<circle class="dg-full" cx="7" cy="7" r="6"/><path class="dg-cut" d="M4 7.2L6.2 9.4L10 5"/>`},
	{"remembered", `<circle class="dg-ring" cx="7" cy="7" r="5.3"/><path class="dg-stroke" d="M7 4V7.3L9.3 8.7"/>`},
	{"failed", `<path class="dg-full" d="M4.5 1H9.5L13 4.5V9.5L9.5 13H4.5L1 9.5V4.5Z"/><path class="dg-cut" d="M4.8 4.8L9.2 9.2M9.2 4.8L4.8 9.2"/>`},
	{"skipped", `<path class="dg-stroke" d="M2 3.5L5.5 7L2 10.5M7 3.5L10.5 7L7 10.5M12.5 3.5V10.5"/>`},
	{"cancelled", `<rect class="dg-full" x="2" y="2" width="10" height="10" rx="1.5"/><path class="dg-cut" d="M4.5 7H9.5"/>`},
	{"upstream", `<circle class="dg-ring" cx="7" cy="7" r="5.3"/><path class="dg-stroke" d="M10 7H4.4M6.5 4.8L4.3 7L6.5 9.2"/>`},
	{"secret", `<rect class="dg-full" x="2.5" y="6" width="9" height="6.5" rx="1.2"/><path class="dg-stroke" d="M4.5 6V4.3A2.5 2.5 0 0 1 9.5 4.3V6"/>`},
	{"outside", `<path class="dg-stroke" d="M7 2.5H12V11.5H7M1.5 7H8.3M6 4.7L8.4 7L6 9.3"/>`},
	{"catch", `<path class="dg-stroke" d="M2 3.5C2 14 12 14 12 3.5M2 3.5H12M4.7 3.5V10M9.3 3.5V10M3 7.3H11"/>`},
	{"needs", `<rect class="dg-stroke" x="4" y="4" width="6" height="6"/><path class="dg-stroke" d="M5.5 1.5V4M8.5 1.5V4M5.5 10V12.5M8.5 10V12.5M1.5 5.5H4M1.5 8.5H4M10 5.5H12.5M10 8.5H12.5"/>`},
}

// style is the whole of the colours and fonts. It uses what old readers of SVG
// know, no variables; and nothing in it is by colour alone.
const style = `
.dg text{font:11.5px "DejaVu Sans",Verdana,"Noto Sans","Segoe UI",system-ui,sans-serif;fill:#1f2937}
.dg-paper{fill:#fff}
.dg .dg-title{font-size:17px;font-weight:bold}
.dg .dg-note,.dg .dg-detail,.dg-key text{fill:#4b5563}
.dg .dg-note{font-size:12.5px}
.dg .dg-name{font-size:13.5px;font-weight:bold}
.dg .dg-class{font-style:italic}
.dg .dg-label text{font-size:11px;text-anchor:middle;fill:#374151}
.dg-label rect{fill:#fff;fill-opacity:.9}
.dg-shape{fill:#f3f4f6;stroke:#6b7280;stroke-width:1.2}
.dg-line{fill:none;stroke:#4b5563;stroke-width:1.4}
.dg-dashed{stroke-dasharray:7 4}
.dg-dotted{stroke-dasharray:1 4;stroke-width:2;stroke-linecap:round}
.dg-idle{stroke:#9ca3af}
.dg-head{fill:#4b5563}
.dg-open{fill:none;stroke:#4b5563;stroke-width:1.5}
.dg-hollow{fill:#fff}
.dg-i{color:#4b5563}
.dg-full{fill:currentColor}
.dg-ring{fill:none;stroke:currentColor;stroke-width:1.4}
.dg-stroke{fill:none;stroke:currentColor;stroke-width:1.3;stroke-linecap:round;stroke-linejoin:round}
.dg-cut{fill:none;stroke:#fff;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
.dg-s-ok .dg-shape{fill:#e9f7ef;stroke:#15803d}
.dg-s-remembered .dg-shape{fill:#e8f1fb;stroke:#1d5fa8}
.dg-s-failed .dg-shape{fill:#fdeaea;stroke:#b91c1c;stroke-width:2.4}
.dg-s-skipped .dg-shape,.dg-s-cancelled .dg-shape,.dg-s-upstream .dg-shape{fill:#fafafa;stroke:#6b7280;stroke-dasharray:4 3}
.dg .dg-heavy{stroke-width:3.2}
.dg-i-ok{color:#15803d}.dg-i-remembered{color:#1d5fa8}.dg-i-failed{color:#b91c1c}.dg-i-upstream,.dg-i-cancelled{color:#92500c}
.dg .dg-s-ok .dg-outcome{fill:#166534}.dg .dg-s-remembered .dg-outcome{fill:#1e4f86}.dg .dg-s-failed .dg-outcome{fill:#991b1b;font-weight:bold}
.dg .dg-s-upstream .dg-outcome,.dg .dg-s-cancelled .dg-outcome{fill:#7c4409}
@media (prefers-color-scheme:dark){
.dg text{fill:#e5e7eb}
.dg-paper,.dg-label rect,.dg-hollow{fill:#16191f}
.dg .dg-note,.dg .dg-detail,.dg-key text,.dg .dg-label text{fill:#b6bdc9}
.dg-shape{fill:#242932;stroke:#8b94a3}
.dg-line,.dg-open{stroke:#a3acba}
.dg-head{fill:#a3acba}
.dg-idle{stroke:#5c6675}
.dg-i{color:#b6bdc9}
.dg-cut{stroke:#16191f}
.dg-s-ok .dg-shape{fill:#12291b;stroke:#4ade80}
.dg-s-remembered .dg-shape{fill:#13263b;stroke:#7ab8f5}
.dg-s-failed .dg-shape{fill:#361517;stroke:#f87171}
.dg-s-skipped .dg-shape,.dg-s-cancelled .dg-shape,.dg-s-upstream .dg-shape{fill:#1b1f26;stroke:#8b94a3}
.dg-i-ok{color:#4ade80}.dg-i-remembered{color:#7ab8f5}.dg-i-failed{color:#f87171}.dg-i-upstream,.dg-i-cancelled{color:#f0b160}
.dg .dg-s-ok .dg-outcome{fill:#86efac}.dg .dg-s-remembered .dg-outcome{fill:#a8d0f8}.dg .dg-s-failed .dg-outcome{fill:#fca5a5}
.dg .dg-s-upstream .dg-outcome,.dg .dg-s-cancelled .dg-outcome{fill:#f5c88a}
}
`
