"""What people see: pages, sign-in and the REST API."""
