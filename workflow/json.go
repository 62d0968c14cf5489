package workflow

import (
	"bytes"
	"errors"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func (r *reader) jsonTree() *node {
	root, err := ipld.ParseJSON(r.src.Data, r.jsonLimits())
	c := cursor{data: r.src.Data}
	if err != nil && !isDuplicate(err) { // settle finds duplicates, with their paths
		var syntax *ipld.SyntaxError
		if !errors.As(err, &syntax) {
			r.report(0, 0, Syntax, "", "not JSON: %v", err)
			return nil
		}
		line, col := c.seek(syntax.Offset)
		r.report(line, col, kindOf(syntax), jsonHint(syntax, r.src.Data), "%s", jsonMessage(syntax))
		return nil
	}
	n := fromJSON(root, &c)
	return &n
}

func (r *reader) jsonLimits() ipld.Limits {
	return ipld.Limits{Depth: maxDepth, Bytes: r.src.MaxBytes, Items: maxNodes}
}

// isDuplicate tells whether names given twice are all that is wrong with JSON.
func isDuplicate(err error) bool {
	var syntax *ipld.SyntaxError
	return errors.As(err, &syntax) && syntax.Class == ipld.Duplicate
}

// kindOf is the class of fault that a document with err has.
func kindOf(err *ipld.SyntaxError) Kind {
	switch err.Class {
	case ipld.TooDeep, ipld.TooLong, ipld.TooMany:
		return Size
	case ipld.Duplicate:
		return Duplicate
	}
	return Syntax
}

func jsonMessage(err *ipld.SyntaxError) string {
	if kindOf(err) == Syntax {
		return "not JSON: " + err.Msg
	}
	return err.Msg
}

func jsonHint(err *ipld.SyntaxError, data []byte) string {
	switch err.Class {
	case ipld.TooDeep:
		return depthHint
	case ipld.Truncated:
		return "the document ends too early: is it whole?"
	}
	if err.Offset >= len(data) {
		return ""
	}
	before := bytes.TrimRight(data[:err.Offset], " \t\r\n")
	if len(before) == 0 {
		return "JSON begins with {; if this is YAML, name the file .yaml"
	}
	switch data[err.Offset] {
	case '/', '#':
		return "JSON has no comments; name the file .yaml to use them"
	case '<':
		return "JSON has no comments: remove it"
	case '\'':
		return `JSON text stands in double quotes: "text"`
	case ']', '}':
		if bytes.HasSuffix(before, []byte(",")) {
			return "remove the comma before it"
		}
	case '"':
		return "is there a comma missing before it?"
	case 'T', 'F', 'N':
		return "JSON has true, false and null, in lower case; other text stands in double quotes"
	}
	switch {
	case strings.Contains(err.Msg, "leading zero"):
		return `write 7, or "007" as text`
	case strings.Contains(err.Msg, "surrogate"):
		return `a character beyond \uffff is written as itself, or as two escapes: "\ud83d\ude00"`
	case strings.Contains(err.Msg, "after the value"):
		return "one workflow per file: is there a bracket too many?"
	}
	return ""
}

const depthHint = "data this deep is better kept in a file: {file: ./data.cbor}"

// fromJSON builds the tree; places come out of the cursor in order.
func fromJSON(j *ipld.JSONNode, c *cursor) node {
	var n node
	n.line, n.col = c.seek(j.Offset)
	switch j.Kind {
	case ipld.JSONNull:
	case ipld.JSONBool:
		n.kind, n.value = boolNode, ipld.Bool(j.Text == "true")
	case ipld.JSONNumber:
		n.setNumber(j.Text)
	case ipld.JSONString:
		n.kind, n.value = stringNode, ipld.String(j.Text)
	case ipld.JSONArray:
		n.kind, n.items = listNode, make([]node, len(j.Items))
		for i := range j.Items {
			n.items[i] = fromJSON(&j.Items[i], c)
		}
	case ipld.JSONObject:
		n.kind, n.items, n.keys = mapNode, make([]node, len(j.Items)), make([]key, len(j.Items))
		for i := range j.Items {
			line, col := c.seek(j.Keys[i].Offset)
			n.keys[i] = key{j.Keys[i].Text, line, col}
			n.items[i] = fromJSON(&j.Items[i], c)
		}
	}
	return n
}

// setNumber makes n the number with the given JSON literal.
func (n *node) setNumber(literal string) {
	v, err := ipld.Number(literal)
	switch {
	case err != nil:
		n.kind, n.value = hugeNode, ipld.String(literal)
	case v.Kind() == ipld.KindFloat:
		n.kind, n.value = floatNode, v
	default:
		n.kind, n.value = intNode, v
	}
}
