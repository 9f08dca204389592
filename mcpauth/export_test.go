package mcpauth

// ParseMessage is how [Tools] reads a message.
func ParseMessage(body []byte) (method, tool string, err error) {
	m, err := parseMessage(body)
	if err != nil {
		return "", "", err
	}
	return m.method, m.tool, nil
}
