"""`make verify-aws`: what this repository could only assume about AWS, looked at one by one in a real account."""
