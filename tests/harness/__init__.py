"""What the tests are made of: rendering, looking things up, a cluster's state. Free of pytest."""
