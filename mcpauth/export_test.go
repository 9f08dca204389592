package mcpauth

// ParseMessage parses a message as [Tools] does.
func ParseMessage(body []byte) (method, tool string, err error) {
	m, err := parseMessage(body)
	if err != nil {
		return "", "", err
	}
	return m.method, m.tool, nil
}
