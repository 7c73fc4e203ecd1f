print("obisd")
