package drill

// Members of JSON objects, zero if they are not there.

func text(o map[string]any, member string) string {
	s, _ := o[member].(string)
	return s
}

func number(o map[string]any, member string) int {
	n, _ := o[member].(float64)
	return int(n)
}

func object(o map[string]any, member string) map[string]any {
	m, _ := o[member].(map[string]any)
	return m
}

func objects(o map[string]any, member string) (list []map[string]any) {
	all, _ := o[member].([]any)
	for _, one := range all {
		if m, ok := one.(map[string]any); ok {
			list = append(list, m)
		}
	}
	return list
}

// texts are members that are texts; null, the value of a field that is empty, is "".
func texts(o map[string]any) map[string]string {
	m := map[string]string{}
	for k, v := range o {
		if s, ok := v.(string); ok || v == nil {
			m[k] = s
		}
	}
	return m
}

// codes are why something was refused.
func codes(o map[string]any) (list []string) {
	for _, r := range objects(o, "reasons") {
		list = append(list, text(r, "code"))
	}
	if len(list) == 0 && text(o, "code") != "" {
		list = append(list, text(o, "code"))
	}
	return list
}
