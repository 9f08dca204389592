package sqlstore_test

const taskVariable = "SQLSTORE_TEST_TASK"

func child(string) {}
