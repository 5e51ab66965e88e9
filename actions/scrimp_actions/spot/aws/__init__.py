"""AWS as a cloud, and the provider of its groups: launched by scrimp itself, Auto Scaling groups, EC2 fleets."""
