"""`make bench`: the speed of the shipped runtime and of the service, beside what they stand on."""
